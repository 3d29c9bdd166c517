// Node's HTTP without what comes along where it is imported: an import statement asks a built-in module for each of its names, and one of them
// (WebSocket) brings in a whole fetch library, 9 MB of memory in every process. Types are imported from node:http as ever.

/** The module node:http. */
export const http: typeof import('node:http') = process.getBuiltinModule('node:http');
