// Which refusals of the server are its last word. What an agent does then is agent.ts.

/** Trying again is of no use after these. */
export const FINAL_REFUSALS: ReadonlySet<string> = new Set(['CertificateRevoked', 'WrongCluster', 'Superseded']);
