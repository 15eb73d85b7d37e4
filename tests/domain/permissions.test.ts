import { describe, expect, expectTypeOf, it } from 'vitest';
import { z } from 'zod';
import {
  AUDIENCES,
  fieldsFor,
  MODEL_NAMES,
  PERMISSIONS,
  type Permission,
  type Readable,
  type Resource,
  type Writable,
} from '@/domain/permissions.ts';
import { defaultModels } from '@/models/index.ts';
import { readable, represent, writable } from '@/routes/permitted.ts';
import { userChangesSchema } from '@/routes/representations.ts';

const resources: [string, Record<string, Permission>][] = Object.entries(PERMISSIONS);

describe('the table of permissions', () => {
  it('decides on every field of every model, and names no model that there is not', () => {
    expect(MODEL_NAMES.toSorted()).toEqual(Object.keys(defaultModels).toSorted());
    for (const model of Object.values(defaultModels)) {
      const stored = Object.keys(model.schema.paths).map((path) => path.split('.')[0] ?? path);
      const fields = new Set(
        stored.filter((field) => field !== '__v').map((field) => (field === '_id' ? 'id' : field)),
      );
      const table = resources.find(([name]) => name === model.modelName)?.[1] ?? {};
      for (const field of fields) expect(table, `${model.modelName}.${field}`).toHaveProperty(field);
    }
  });

  it.each([
    ['User', ['subscriptionTier', 'monthlyUsage', 'grantedCredits', 'quotaResetDate', 'clerkUserId', 'isDeleted']],
    ['Subscription', ['tier', 'status', 'stripeCustomerId', 'stripeSubscriptionId', 'metadata', 'currentPeriodEnd']],
    ['ImageGeneration', ['status', 'credits', 'charge', 'lease', 'userId']],
    ['LedgerEntry', Object.keys(PERMISSIONS.LedgerEntry)],
    ['AuditEntry', Object.keys(PERMISSIONS.AuditEntry)],
  ] as const)('lets nobody write what decides about credits and money in a %s', (resource, fields) => {
    for (const by of AUDIENCES) {
      const written = fieldsFor(resource, 'write', by);
      for (const field of fields) expect(written, `${by}: ${field}`).not.toContain(field);
    }
  });

  it('shows Stripe ids and metadata of subscriptions to nobody', () => {
    for (const by of AUDIENCES) {
      const read = fieldsFor('Subscription', 'read', by);
      for (const field of ['stripeCustomerId', 'stripeSubscriptionId', 'metadata']) expect(read).not.toContain(field);
    }
  });

  it('gives whoever has no token nothing', () => {
    for (const [resource] of resources) {
      const known = resources.find(([name]) => name === resource)?.[1] ?? {};
      expect(Object.values(known).flatMap(({ read, write }) => [...read, ...write])).not.toContain('outside');
    }
  });

  it('is what the types say', () => {
    expectTypeOf<Writable<'User', 'self'>>().toEqualTypeOf<'name' | 'preferences' | 'settings'>();
    expectTypeOf<Writable<'User', 'admin' | 'outside'>>().toEqualTypeOf<never>();
    expectTypeOf<Readable<'Subscription', 'worker'>>().toEqualTypeOf<never>();
    expectTypeOf<Extract<Readable<'User', 'self'>, 'openEntries' | 'quotaAnchor'>>().toEqualTypeOf<never>();
    expect(fieldsFor('User', 'write', 'self')).toEqual(['name', 'preferences', 'settings']);
  });
});

describe('a schema of requests or answers', () => {
  /** As code calls it that the types have not seen. */
  const unchecked = (make: typeof readable | typeof writable, resource: Resource, field: string): unknown =>
    Reflect.apply(make, undefined, [{ resource, by: 'self', id: 'Wrong' }, { [field]: z.string() }]);

  it.each<[Resource, string]>([
    ['User', 'openEntries'],
    ['User', 'nonsense'],
    ['Subscription', 'stripeCustomerId'],
    ['User', 'constructor'],
  ])('cannot be made to show %s.%s', (resource, field) => {
    expect(() => unchecked(readable, resource, field)).toThrow(field);
  });

  it.each<[Resource, string]>([
    ['User', 'subscriptionTier'],
    ['User', 'monthlyUsage'],
    ['ImageGeneration', 'credits'],
  ])('cannot be made to take %s.%s', (resource, field) => {
    expect(() => unchecked(writable, resource, field)).toThrow(field);
  });

  it('refuses any other field that comes in', () => {
    const changes = writable({ resource: 'User', by: 'self', id: 'Changes' }, { name: z.string() });
    expect(changes.safeParse({ name: 'A', subscriptionTier: 'pro' }).success).toBe(false);
  });

  it('keeps back whatever else a document carries', () => {
    const shown = readable({ resource: 'User', by: 'self', id: 'Shown' }, { name: z.string() });
    const document = { name: 'A', openEntries: { a: 1 }, quotaAnchor: new Date(0) };
    expect(represent(shown, document)).toEqual({ name: 'A' });
  });
});

describe('what a user may change of themselves', () => {
  it.each([[{ name: 'A' }], [{ preferences: { theme: 'dark' }, settings: { quotaAlerts: false } }], [{}]])(
    'can be %j',
    (changes) => {
      expect(userChangesSchema.parse(changes)).toEqual(changes);
    },
  );

  it.each([
    { subscriptionTier: 'pro' },
    { monthlyUsage: 0 },
    { 'preferences.theme': 'dark' },
    { 'settings.$set': true },
    { preferences: { theme: { $ne: 'dark' } } },
    { preferences: { $set: { subscriptionTier: 'pro' } } },
    { preferences: { 'theme.name': 'dark' } },
    { preferences: 'dark' },
    { settings: { isAdmin: true } },
    { settings: [] },
    { name: { $gt: '' } },
    JSON.parse('{"settings":{"__proto__":{"isAdmin":true}}}'),
    JSON.parse('{"__proto__":{"subscriptionTier":"pro"}}'),
  ])('cannot be %j', (changes) => {
    const parsed = userChangesSchema.safeParse(changes);
    expect(parsed.success && Object.keys(parsed.data).length > 0).toBe(false);
  });
});
