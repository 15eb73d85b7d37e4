import { createServer } from 'node:net';
import { Doc, Double } from '../src/bson/values.ts';
import { ping } from '../src/commands/admin.ts';
import { ok } from '../src/commands/context.ts';
import { commands } from '../src/commands/registry.ts';
import { Engine } from '../src/server/engine.ts';
import { Framing } from '../src/wire/framing.ts';
import { decodeRequest, encodeReply } from '../src/wire/message.ts';

/** Decodes every message and answers with a constant: the upper bound of what a server on this runtime can do. */
const engine = new Engine('rs0');
const one = Doc.of({ _id: 1, n: 1 });
const answers = new Map<string, Doc>([
  ['find', ok({ cursor: Doc.of({ firstBatch: [one], id: 0n, ns: 'bench.c' }) })],
  ['findAndModify', ok({ lastErrorObject: Doc.of({ n: 1, updatedExisting: true }), value: one })],
  ['insert', ok({ n: 1 })],
  ['update', ok({ n: 1, nModified: 1 })],
]);

const server = createServer({ noDelay: true }, (socket) => {
  const framing = new Framing();
  socket.on('error', () => socket.destroy());
  socket.on('data', (chunk) => {
    for (const message of framing.push(chunk as Buffer)) {
      const request = decodeRequest(message);
      const name = request.command.keys[0] ?? '';
      const hello = commands.get(name)?.run;
      const context = { engine, command: request.command, name, database: 'admin', connectionId: 1 };
      const reply = answers.get(name) ?? (/hello|ismaster/i.test(name) ? hello?.(context) : ping());
      socket.write(encodeReply(request, reply instanceof Doc ? reply : Doc.of({ ok: new Double(1) })));
    }
  });
});
server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  engine.port = typeof address === 'object' && address !== null ? address.port : 0;
  process.stdout.write(`${engine.port}\n`);
});
process.stdin.on('end', () => process.exit(0)).resume();
