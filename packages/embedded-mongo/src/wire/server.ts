import { createServer, type Server, type Socket } from 'node:net';
import type { Doc } from '../bson/values.ts';
import { type Engine, HANG_UP } from '../server/engine.ts';
import { Framing } from './framing.ts';
import { decodeRequest, encodeReply, type Request } from './message.ts';

/** Listens for clients and runs their commands on the engine. */
export class WireServer {
  private readonly engine: Engine;
  private readonly server: Server;
  private readonly sockets = new Set<Socket>();
  private nextConnectionId = 1;

  constructor(engine: Engine) {
    this.engine = engine;
    this.server = createServer({ noDelay: true }, (socket) => this.accept(socket));
  }

  /** Resolves with the port, which the system chooses when 0 is asked for. */
  listen(port: number, host: string): Promise<number> {
    return new Promise((resolve, reject) => {
      this.server.once('error', reject);
      this.server.listen(port, host, () => {
        const address = this.server.address();
        resolve(typeof address === 'object' && address !== null ? address.port : port);
      });
    });
  }

  close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.server.close(() => resolve()));
    // Only after it has stopped to listen: a driver whose connection ends tries the next one at once.
    for (const socket of this.sockets) socket.destroy();
    return closed;
  }

  private accept(socket: Socket): void {
    this.sockets.add(socket);
    this.engine.connections += 1;
    const connection = new Connection(socket, this.engine, this.nextConnectionId++);
    socket.on('data', (chunk) => connection.receive(chunk as Buffer));
    // A client that is gone needs no answer; 'close' follows.
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      this.sockets.delete(socket);
      this.engine.connections -= 1;
      this.engine.appNames.delete(connection.id);
    });
  }
}

/** One client: its requests are answered one after the other, in the order of arrival. */
class Connection {
  private readonly socket: Socket;
  private readonly engine: Engine;
  readonly id: number;
  private readonly framing = new Framing();
  private readonly waiting: Request[] = [];
  private busy = false;

  constructor(socket: Socket, engine: Engine, id: number) {
    this.socket = socket;
    this.engine = engine;
    this.id = id;
  }

  receive(chunk: Buffer): void {
    try {
      for (const message of this.framing.push(chunk)) this.waiting.push(decodeRequest(message));
    } catch {
      // Nothing that follows broken bytes can be understood: this connection ends, and no other one notices.
      this.socket.destroy();
      return;
    }
    if (!this.busy) this.work();
  }

  private work(): void {
    for (;;) {
      const request = this.waiting.shift();
      if (request === undefined) return;
      const reply = this.engine.execute(request.command, this.id);
      if (reply instanceof Promise) {
        this.busy = true;
        reply.then(
          (doc) => {
            this.busy = false;
            this.answer(request, doc);
            this.work();
          },
          () => this.socket.destroy(),
        );
        return;
      }
      this.answer(request, reply);
    }
  }

  private answer(request: Request, reply: Doc): void {
    if (reply === HANG_UP) this.socket.destroy();
    if (request.silent || this.socket.destroyed) return;
    this.socket.write(encodeReply(request, reply, this.engine.clock.encoded));
  }
}
