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
  /** Ends the connection at once, where the failure of a body would not do so, or not quietly. */
  cutOff?: () => void;
}

/** What a handler behind `authenticate` finds besides. */
export interface UserEnv {
  Variables: EdgeEnv['Variables'] & { auth: Auth };
  Bindings: Peer;
}
