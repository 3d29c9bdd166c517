// Who a user of an image is: numbers and groups from the image's /etc/passwd and /etc/group. Pure. The engine does the same where a container
// names no group, and nothing where it does.

export interface ImageAccounts {
  /** The files' texts; empty where the image has none. */
  readonly passwd: string;
  readonly group: string;
}

export interface ResolvedUser {
  /** "user:group", the group by number. */
  readonly user: string;
  /** Groups that the image gives its user besides. */
  readonly memberships: readonly number[];
}

const NUMBER = /^\d+$/;

function lines(text: string): readonly (readonly string[])[] {
  return text.split('\n').map((line) => line.trim().split(':'));
}

/** user: name or number, with ":group" or without. gid: the primary group where something else than the image decides. */
export function resolveUser(user: string, gid: number | undefined, { passwd, group }: ImageAccounts): ResolvedUser {
  const [name = '', groupName = ''] = (user || '0').split(':');
  const entry = lines(passwd).find((fields) => fields[0] === name || (NUMBER.test(name) && fields[2] === name));
  const login = entry?.[0] ?? name;
  const groups = lines(group).filter((fields) => NUMBER.test(fields[2] ?? ''));
  const ofImage = NUMBER.test(groupName) ? groupName : (groups.find((fields) => fields[0] === groupName)?.[2] ?? entry?.[3] ?? '0');
  const memberships = groups.filter((fields) => (fields[3] ?? '').split(',').includes(login)).map((fields) => Number(fields[2]));
  return { user: `${name}:${gid ?? ofImage}`, memberships: [...new Set(memberships)] };
}
