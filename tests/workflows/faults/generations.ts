import { releaseLease, renewLease } from '@/repositories/leases.ts';
import { claimGeneration } from '@/repositories/queue.ts';
import { cancel, complete, fail, remove } from '@/workflows/endGeneration.ts';
import { contextOf } from '../../support/context.ts';
import { copies, held, IMAGE, pictures, type Scenario, waiting } from './scenario.ts';

/** What moves a generation. */
export const generations: Scenario[] = [
  {
    name: 'cancelling a generation',
    effect: 'once',
    whenDone: 'invalid_transition',
    async prepare(store, _id) {
      const generation = await waiting(store, _id);
      return () => cancel(contextOf(store), _id, generation._id);
    },
  },
  {
    name: 'deleting a generation that waits',
    effect: 'once',
    whenDone: 'not_found',
    async prepare(store, _id) {
      const generation = await waiting(store, _id);
      return () => remove(contextOf(store), _id, generation._id, { kind: 'user' });
    },
  },
  {
    name: 'deleting a generation that was completed',
    effect: 'once',
    whenDone: 'not_found',
    async prepare(store, _id) {
      const { _id: id, lease } = await held(store, _id);
      await complete(contextOf(store), id, lease.token, { outputImages: pictures(2) });
      return () => remove(contextOf(store), _id, id, { kind: 'user' });
    },
  },
  {
    name: 'claiming a generation',
    effect: 'once',
    async prepare(store, _id) {
      await waiting(store, _id);
      return () => claimGeneration(store, { workerId: 'w', leaseSeconds: 60 });
    },
  },
  {
    name: 'renewing a lease',
    effect: 'once',
    whenDone: 'lease_lost',
    async prepare(store, _id) {
      const { _id: id, lease } = await held(store, _id);
      return () => renewLease(store, id, lease.token);
    },
  },
  {
    name: 'giving a lease back',
    effect: 'once',
    whenDone: 'lease_lost',
    async prepare(store, _id) {
      const { _id: id, lease } = await held(store, _id);
      return () => releaseLease(store, id, lease.token);
    },
  },
  {
    name: 'completing a generation',
    effect: 'once',
    // A repeat is answered, but for one that comes first when the lease has ended.
    whenDone: 'lease_lost',
    async prepare(store, _id) {
      const { _id: id, lease } = await held(store, _id);
      return () => complete(contextOf(store), id, lease.token, { outputImages: pictures(2) });
    },
  },
  {
    name: 'failing a generation for good',
    effect: 'once',
    // A repeat is answered, but for one that comes first when the lease has ended.
    whenDone: 'lease_lost',
    async prepare(store, _id) {
      const { _id: id, lease } = await held(store, _id);
      return () => fail(contextOf(store), id, lease.token, { errorMessage: 'no', retryable: false });
    },
  },
  {
    name: 'failing an attempt that may be repeated',
    effect: 'once',
    // A repeat is answered, but for one that comes first when the lease has ended.
    whenDone: 'lease_lost',
    async prepare(store, _id) {
      const { _id: id, lease } = await held(store, _id);
      return () => fail(contextOf(store), id, lease.token, { errorMessage: 'no', retryable: true });
    },
  },
  {
    name: 'ImageGenerationModel.createGeneration',
    effect: 'each',
    prepare: async (store, userId) => () => store.models.ImageGeneration.createGeneration({ userId, ...IMAGE }),
  },
  ...(['markAsProcessing', 'markAsCompleted', 'markAsFailed', 'softDelete'] as const).map(
    (method): Scenario => ({
      name: `generation.${method}`,
      effect: 'once',
      whenDone: 'invalid_transition',
      async prepare(store, _id) {
        const { _id: id } = await waiting(store, _id);
        const read = () => store.models.ImageGeneration.findById(id).orFail().exec();
        if (method === 'markAsCompleted') await (await read()).markAsProcessing();
        const generation = await copies(read);
        return () => {
          switch (method) {
            case 'markAsCompleted':
              return generation().markAsCompleted(pictures(2));
            case 'markAsFailed':
              return generation().markAsFailed('no');
            default:
              return generation()[method]();
          }
        };
      },
    }),
  ),
  {
    name: 'generation.restore',
    effect: 'once',
    async prepare(store, _id) {
      const { _id: id } = await waiting(store, _id);
      await remove(contextOf(store), _id, id, { kind: 'user' });
      const generation = await copies(() =>
        store.models.ImageGeneration.findById(id).setOptions({ withDeleted: true }).orFail().exec(),
      );
      return () => generation().restore();
    },
  },
];
