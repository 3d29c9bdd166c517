// The call by which an agent opens a tunnel, with the codec for bytes in bulk. In a file of its own, as an agent speaks no other call of these
// and would hold the messages of all kinds of objects for nothing.
import { withBytes } from './byte-codec.js';
import { TunnelService } from './gen/podplane/node/v1/tunnel.js';

/** The numbers are those of the proto file (a test holds them against each other). */
export const tunnelMethod = withBytes(TunnelService.open, { data: 2, errorData: 3 }, { data: 1 });
