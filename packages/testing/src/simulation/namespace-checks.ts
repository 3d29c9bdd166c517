// Namespaces: one that goes has nothing left in it, and nothing is made in one that is not there.
import type { ChangeBatch } from '@podplane/store/types';
import type { HeadCheck, HeadMirror } from './mirror.js';
import type { Violations } from './violations.js';

export class NamespaceChecks implements HeadCheck {
  deleted = 0;

  constructor(
    private readonly mirror: HeadMirror,
    private readonly violations: Violations,
  ) {}

  take({ changes }: ChangeBatch): void {
    for (const { kind, type, object } of changes) {
      const { namespace = '', name = '' } = object.metadata ?? {};
      if (kind === 'Namespace' && type === 'deleted') {
        this.deleted++;
        const left = this.mirror.countIn(name);
        if (left > 0) this.violations.report('namespace-empty', `namespace ${name} is gone and ${left} objects are left in it`);
      } else if (type === 'added' && namespace !== '' && this.mirror.get('Namespace', '', namespace) === undefined)
        this.violations.report('namespace-empty', `${kind} ${name} is made in namespace ${namespace}, which is not there`);
    }
  }
}
