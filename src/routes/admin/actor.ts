import type { Actor } from '../../domain/audit.ts';
import type { Auth } from '../../middleware/context.ts';

/** Who the audit trail will say did it. */
export function actorOf({ clerkUserId }: Auth): Actor {
  return { kind: 'admin', id: clerkUserId };
}
