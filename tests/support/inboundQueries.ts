import { Types } from 'mongoose';
import { LIBRARY } from '@/domain/audit.ts';
import { identityVersion } from '@/domain/identity.ts';
import { INBOX_STATES, type ToldEvent, WEBHOOK_SOURCES } from '@/domain/inbox.ts';
import { oweEndings, oweExpiries } from '@/models/statements/endings.ts';
import { deleteUser, restoreUser } from '@/repositories/accounts.ts';
import { endBackfill, peopleBehind, saveBackfill, storedPeople, takeBackfill } from '@/repositories/backfills.ts';
import {
  billingAccountOf,
  forgetCustomer,
  keepCustomer,
  replaceCheckout,
  userNamedBy,
  userOfCustomer,
} from '@/repositories/billingAccounts.ts';
import {
  clearEnding,
  clearExpiry,
  dueEnding,
  dueExpiry,
  isDeletedUser,
  owesEnding,
  postponeEnding,
  postponeExpiry,
} from '@/repositories/endings.ts';
import { addUser, changeIdentity, comebackTo, identityOf, noteDeletion } from '@/repositories/identities.ts';
import {
  awaitUsers,
  type ClaimedEvent,
  claimEvent,
  endEvent,
  forgetFacts,
  inboxDepth,
  isKept,
  keepEvent,
  listEvents,
  postponeEvent,
  replayEvent,
  wakeEvents,
} from '@/repositories/inbox.ts';
import {
  claimUnconfirmed,
  confirm,
  endSubscription,
  insertSubscription,
  liveSubscriptionOf,
  markListed,
  overwriteSubscription,
  postponeLook,
  storedAmong,
  storedSubscriptionId,
  subscriptionsOfCustomer,
  unlistedCustomers,
} from '@/repositories/syncedSubscriptions.ts';
import type { Context } from '@/workflows/context.ts';
import { signUp, type TestStore } from './database.ts';

const FACTS = { tier: 'plus', status: 'active', cancelAtPeriodEnd: false, metadata: {} } as const;
const NOTHING_FOUND = { equal: 0, made: 0, updated: 0, restored: 0, kept: 0, gone: 0, deleted: 0, needPerson: 0 };
const PERIOD = { currentPeriodStart: new Date('2026-03-01'), currentPeriodEnd: new Date('2027-03-01') };

/** Sends every query that has to do with Stripe and Clerk: of one customer, and one event, among many. */
export async function inboundQueries(store: TestStore & Context, userId: Types.ObjectId): Promise<void> {
  await subscriptionQueries(store);
  await inboxQueries(store, userId);
  await backfillQueries(store);
  const names = [userId.toHexString(), 'user_nobody'];
  await keepCustomer(store, userId, 'cus_plans');
  await billingAccountOf(store, userId);
  await userOfCustomer(store, 'cus_plans');
  await userNamedBy(store, names);
  const checkout = { id: 'a', tier: 'plus' as const, startedAt: store.clock.now() };
  await replaceCheckout(store, { userId, customer: 'cus_plans' }, undefined, checkout);
  await replaceCheckout(store, { userId, customer: 'cus_plans' }, checkout, { ...checkout, id: 'b' });
  await oweExpiries(store, [userId]);
  await owesEnding(store, userId);
  const owed = await dueExpiry(store);
  if (!owed) throw new Error('One was just owed');
  await postponeExpiry(store, owed, 0);
  await clearExpiry(store, owed);
  await forgetCustomer(store, userId, 'cus_plans');
  const identity = { version: identityVersion('user.created', store.clock.now()), email: 'a@example.com', name: 'A' };
  await addUser(store, 'user_plans', identity, { isDeleted: false });
  await identityOf(store, 'user_plans');
  await changeIdentity(store, 'user_plans', { ...identity, version: identity.version + 1 });
  await identityOf(store, 'user_never_seen');
  await deleteUser(store, { clerkUserId: 'user_plans' }, LIBRARY);
  const known = await identityOf(store, 'user_plans');
  if (!known) throw new Error('It was just added');
  await noteDeletion(store, known._id, identity.version + 2);
  await restoreUser(store, { _id: known._id }, LIBRARY, await comebackTo(store, known, 'user_plans', identity));
}

async function backfillQueries(store: TestStore): Promise<void> {
  const now = store.clock.now();
  const fresh = {
    _id: 'clerk',
    startedAt: now,
    savedAt: now,
    stage: 'listed',
    offset: 0,
    found: NOTHING_FOUND,
  } as const;
  await takeBackfill(store, { ...fresh, run: 'first' });
  const second = await takeBackfill(store, { ...fresh, run: 'second' });
  await saveBackfill(store, second);
  await storedPeople(store, ['user_plans', 'user_never_seen']);
  await peopleBehind(store, undefined, 10);
  await endBackfill(store, second);
}

async function subscriptionQueries(store: TestStore & Context): Promise<void> {
  const said = { synced: 'x', act: null };
  for (let index = 0; index < 20; index += 1) {
    const ids = { stripeCustomerId: `cus_plans_${index}`, stripeSubscriptionId: `sub_plans_${index}` };
    await insertSubscription(store, await signUp(store), { ...FACTS, ...PERIOD, ...ids }, said);
  }
  const ids = { stripeCustomerId: 'cus_plans_7', stripeSubscriptionId: 'sub_plans_7' };
  const [stored] = await subscriptionsOfCustomer(store, ids.stripeCustomerId);
  if (!stored) throw new Error('One was just stored');
  await overwriteSubscription(store, stored, { ...FACTS, ...PERIOD, ...ids }, said);
  const [written] = await subscriptionsOfCustomer(store, ids.stripeCustomerId);
  if (!written) throw new Error('One was just written');
  await confirm(store, [written]);
  store.clock.advance(61_000);
  const unconfirmed = await claimUnconfirmed(store);
  if (!unconfirmed) throw new Error('The others were just written, too');
  await postponeLook(store, unconfirmed, 0);
  await liveSubscriptionOf(store, stored.userId);
  await storedAmong(store, [ids.stripeSubscriptionId, 'sub_plans_8']);
  await markListed(store, [ids.stripeSubscriptionId, 'sub_plans_8'], store.clock.now());
  for await (const _ of unlistedCustomers(store, new Date(0))) break;
  await storedSubscriptionId(store, ids.stripeSubscriptionId);
  await oweEndings(store, [stored.userId], { isNews: true });
  const owed = await dueEnding(store);
  if (!owed) throw new Error('One was just owed');
  await owesEnding(store, owed.userId);
  await isDeletedUser(store, owed.userId);
  await postponeEnding(store, owed, 0);
  await clearEnding(store, owed);
  await endSubscription(store, { ...stored, revision: stored.revision + 1 });
}

async function inboxQueries(store: TestStore & Context, userId: Types.ObjectId): Promise<void> {
  for (let index = 0; index < 30; index += 1) {
    const event = await keepEvent(store, told(`evt_plans_${index}`, index % 3 === 0 ? 'clerk' : 'stripe'), true);
    if (event && index < 15) await endEvent(store, event, 'applied');
    else if (event && index < 20)
      await awaitUsers(store, event, [index === 15 ? userId.toHexString() : `user_${index}`]);
    else if (event) await postponeEvent(store, event, { delayMs: 0, failure: 'unavailable' });
    store.clock.advance(1000);
  }
  const claimed: ClaimedEvent | null = await claimEvent(store);
  if (!claimed) throw new Error('Some are due');
  await wakeEvents(store);
  await inboxDepth(store);
  const [, event] = await listEvents(store, { limit: 5 });
  if (!event) throw new Error('There are events');
  const after = { receivedAt: event.receivedAt, id: event._id };
  for (const state of [undefined, ...INBOX_STATES]) {
    for (const source of [undefined, ...WEBHOOK_SOURCES]) {
      await listEvents(store, { state, source, limit: 5 });
      await listEvents(store, { state, source, after, limit: 5 });
    }
  }
  await isKept(store, event._id);
  await replayEvent(store, event._id);
  await forgetFacts(store, event._id);
}

function told(id: string, source: ToldEvent['source']): ToldEvent {
  const subject = `cus_${new Types.ObjectId().toHexString()}`;
  return { source, id, type: 'invoice.paid', occurredAt: new Date(0), subject, facts: { names: [] } };
}
