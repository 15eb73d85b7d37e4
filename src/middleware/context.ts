import type { RequestIdVariables } from 'hono/request-id';

/** Who asks, as the session token says. */
export interface Auth {
  clerkUserId: string;
  email: string | undefined;
  name: string | undefined;
  /** The claim `metadata.role` is `admin`. */
  isAdmin: boolean;
}

/** What every handler finds in its context. */
export interface EdgeEnv {
  /** `traceId` where requests are traced. */
  Variables: RequestIdVariables & { traceId?: string };
  Bindings: Peer;
}

/** What a runtime tells of the other end of a request's socket. */
export interface Peer {
  peerAddress?: string | undefined;
  /** Ends the connection within seconds, whether its client takes anything or not. Not every runtime can. */
  cutOff?: () => void;
  /** Resolves when the answer has been taken or its connection has ended, where the runtime tells. */
  taken?: () => Promise<void>;
}

/** What a handler behind `authenticate` finds besides. */
export interface UserEnv {
  Variables: EdgeEnv['Variables'] & { auth: Auth };
  Bindings: Peer;
}
