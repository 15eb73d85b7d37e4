import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { type Document, deserialize, serialize } from 'bson';

/** An OP_MSG with one body section, as the manual's wire protocol page describes it. */
export function encodeMessage(command: Document, requestId = 1, flags = 0): Buffer {
  const body = serialize(command);
  const message = Buffer.alloc(21 + body.length);
  message.writeInt32LE(message.length, 0);
  message.writeInt32LE(requestId, 4);
  message.writeInt32LE(2013, 12);
  message.writeUInt32LE(flags, 16);
  message.set(body, 21);
  return message;
}

/** Reads one message from a socket. */
export async function readMessage(socket: Socket): Promise<Buffer> {
  let received = Buffer.alloc(0);
  for (;;) {
    if (received.length >= 4 && received.length >= received.readInt32LE(0)) return received;
    const [chunk] = (await once(socket, 'data')) as [Buffer];
    received = Buffer.concat([received, chunk]);
  }
}

/** Sends one command exactly as given, and returns the reply: for what a driver never sends, or would change. */
export async function rawCommand(port: number, command: Document): Promise<Document> {
  const socket = connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    socket.write(encodeMessage(command));
    const reply = await readMessage(socket);
    return deserialize(reply.subarray(21), { promoteBuffers: true });
  } finally {
    socket.destroy();
  }
}
