// The calls that carry bytes in bulk (logs, commands, ports, files, images), with the codec of byte-codec.ts. What is on the wire is the same;
// messages that are not just bytes go the ordinary way.
import { withBytes } from './byte-codec.js';
import { ClusterService } from './gen/podplane/api/v1/cluster.js';
import { PodsService } from './gen/podplane/api/v1/pods.js';
import { tunnelMethod } from './tunnel-method.js';

/** The same calls as in the services; the numbers are those of the proto files (a test holds them against each other). */
export const byteMethods = {
  logs: withBytes(PodsService.logs, {}, { '': 1 }),
  exec: withBytes(PodsService.exec, { stdin: 2 }, { stdout: 1, stderr: 2 }),
  attach: withBytes(PodsService.attach, { stdin: 2 }, { stdout: 2, stderr: 3 }),
  portForward: withBytes(PodsService.portForward, { data: 2 }, { data: 2 }),
  readFiles: withBytes(PodsService.readFiles, {}, { '': 1 }),
  writeFiles: withBytes(PodsService.writeFiles, { data: 2 }, {}),
  loadImage: withBytes(ClusterService.loadImage, { data: 2 }, {}),
  tunnel: tunnelMethod,
} as const;
