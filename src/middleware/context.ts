import type { RequestIdVariables } from 'hono/request-id';
import type { Auth } from './auth.ts';

/** What every handler finds in its context. */
export interface EdgeEnv {
  Variables: RequestIdVariables;
}

/** What a handler behind `authenticate` finds besides. */
export interface UserEnv {
  Variables: EdgeEnv['Variables'] & { auth: Auth };
}
