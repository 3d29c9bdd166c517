// What was started is stopped in reverse order, whatever goes wrong on the way. The only start-up style of the server.

type Release = () => void | Promise<void>;

export class ReleaseStack {
  private readonly steps: { readonly what: string; readonly release: Release }[] = [];
  private releasing: Promise<void> | undefined;

  /** problem: told about steps that failed; the others are done all the same. */
  constructor(private readonly problem: (what: string, error: unknown) => void) {}

  /** Notes how to undo what was just done. */
  push(what: string, release: Release): void {
    this.steps.push({ what, release });
  }

  /** Undoes everything, last first. More than once is fine: all wait for the same end. */
  release(): Promise<void> {
    this.releasing ??= this.run();
    return this.releasing;
  }

  private async run(): Promise<void> {
    for (let step = this.steps.pop(); step !== undefined; step = this.steps.pop()) {
      try {
        await step.release();
      } catch (error) {
        this.problem(step.what, error);
      }
    }
  }
}
