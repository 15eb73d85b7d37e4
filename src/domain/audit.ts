/** The acts that leave a line in the audit trail: who did what to which document, and when. */
export const AUDIT_ACTIONS = [
  'tier.changed',
  'quota.reset',
  'quota.granted',
  'user.deleted',
  'user.restored',
  'user.erased',
  'user.exported',
  'user.read',
  'generation.deleted',
  'generation.restored',
  'subscription.deleted',
  'subscription.restored',
  'subscription.access_ended',
  'subscription.ended_with_account',
  'subscription.refunded_in_part',
  'subscription.needs_person',
  'webhook_endpoint.created',
  'webhook_endpoint.changed',
  'webhook_endpoint.secret_rotated',
  'webhook_endpoint.disabled',
  'webhook_endpoint.deleted',
  'maintenance.run',
  'webhook.replayed',
] as const;
export type AuditAction = (typeof AUDIT_ACTIONS)[number];

export const ACTOR_KINDS = ['user', 'admin', 'job', 'webhook', 'library'] as const;

/** Who acts. `id` is a Clerk id for people, and a name for jobs and webhooks. */
export interface Actor {
  kind: (typeof ACTOR_KINDS)[number];
  id?: string;
}

/** Code that imports the models or `DatabaseUtils` and does not say for whom it acts. */
export const LIBRARY: Actor = Object.freeze({ kind: 'library' });

/** An act and its author, as it is kept with the document that it changed until the audit trail has it. */
export interface Act {
  action: AuditAction;
  actor: Actor;
  detail?: Record<string, unknown>;
}
