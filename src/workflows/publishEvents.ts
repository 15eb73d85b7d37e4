import type { Types } from 'mongoose';
import type { Store } from '../models/store.ts';
import type { WebhookDelivery } from '../models/WebhookDelivery.ts';
import {
  type Announcing,
  announcingAmong,
  announcingGenerations,
  forgetAnnouncements,
  snapshotAt,
} from '../repositories/announcements.ts';
import { insertDeliveries, newDelivery } from '../repositories/webhookDeliveries.ts';
import { type Listening, listeningEndpoints, presentUsers } from '../repositories/webhookEndpoints.ts';

/** What publishing has done. */
export interface Published {
  /** Generations whose announcements were taken up. */
  generations: number;
  /** Deliveries that were made of them. */
  deliveries: number;
}

const BATCH = 100;

/** Publishes what these generations have to announce. */
export async function publishEventsOf(store: Store, ids: readonly Types.ObjectId[]): Promise<Published> {
  return publish(store, await announcingAmong(store, ids));
}

/**
 * Publishes what has waited since an instant: what crashes left, and what was done by code that tells nobody. It may be cut off
 * anywhere and be run by many at once.
 *
 * @param onFailure told of each generation whose events could not be published; they hold up nothing else
 */
export async function publishEvents(
  store: Store,
  since: Date,
  onFailure: (error: unknown) => void = rethrow,
): Promise<Published> {
  const total: Published = { generations: 0, deliveries: 0 };
  const left: Types.ObjectId[] = [];
  for (;;) {
    const batch = await announcingGenerations(store, since, BATCH, left);
    if (batch.length === 0) return total;
    try {
      add(total, await publish(store, batch));
    } catch {
      for (const generation of batch) {
        try {
          add(total, await publish(store, [generation]));
        } catch (error) {
          left.push(generation._id);
          onFailure(error);
        }
      }
    }
  }
}

function rethrow(error: unknown): never {
  throw error;
}

function add(total: Published, { generations, deliveries }: Published): void {
  total.generations += generations;
  total.deliveries += deliveries;
}

/**
 * The deliveries are stored before the announcements go, and a delivery is one for its event and endpoint by a unique key: whoever is
 * cut off between the two, or meets another, makes nothing twice and loses nothing.
 */
async function publish(store: Store, generations: readonly Announcing[]): Promise<Published> {
  if (generations.length === 0) return { generations: 0, deliveries: 0 };
  const userIds = [...new Map(generations.map(({ userId }) => [userId.toHexString(), userId])).values()];
  const endpoints = await listeningEndpoints(store, userIds);
  const present =
    endpoints.length > 0
      ? await presentUsers(
          store,
          endpoints.map(({ userId }) => userId),
        )
      : new Set();
  const deliveries = generations
    .filter(({ userId }) => present.has(userId.toHexString()))
    .flatMap((generation) =>
      deliveriesOf(
        store,
        generation,
        endpoints.filter(({ userId }) => userId.equals(generation.userId)),
      ),
    );
  const inserted = await insertDeliveries(store, deliveries);
  await forgetAnnouncements(store, generations);
  return { generations: generations.length, deliveries: inserted };
}

function deliveriesOf(store: Store, generation: Announcing, endpoints: readonly Listening[]): WebhookDelivery[] {
  const { _id, userId, announcements = [] } = generation;
  return announcements.flatMap((announcement) => {
    const { id, status, at } = announcement;
    const type = `generation.${status}` as const;
    // One write may have moved many generations, under one id.
    const eventId = `evt_${_id.toHexString()}${id.toHexString()}`;
    return endpoints
      .filter(({ events, createdAt }) => events.includes(type) && createdAt <= at)
      .map(({ _id: endpointId }) => {
        const data = snapshotAt(generation, announcement);
        return newDelivery(store, { userId, endpointId, eventId, type, eventAt: at, data });
      });
  });
}
