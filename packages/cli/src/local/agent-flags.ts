// The flags of Node that an agent runs with. It lives beside other people's programs, is idle nearly always, and what it does at other times is
// done by Docker Engine and in native code (bytes of tunnels): memory counts for more than the speed of its own code. What each of them saves of an
// idle agent is in docs/operations.md. Read by bin/podplane.js, so nothing is imported here.

export const AGENT_FLAGS: readonly string[] = [
  '--max-semi-space-size=1', // a small young generation
  '--optimize-for-size',
  // Compile what is really hot and nothing else, and that by the cheaper of the two compilers: the code of the compilers counts, too.
  '--no-sparkplug',
  '--no-opt',
  '--invocation-count-for-maglev=20000',
  '--invocation-count-for-maglev-osr=20000',
];
