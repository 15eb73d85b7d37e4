/** `npm run check:ledger`: holds every account against its ledger; exit status 1 when one does not balance. */
import { verifyLedger } from '../src/workflows/verifyLedger.ts';
import { withCore } from './withCore.ts';

const SHOWN_EVERY = 1_000;

await withCore(async ({ ctx }) => {
  const { usersChecked, violations } = await verifyLedger(ctx, (count) => {
    if (count % SHOWN_EVERY === 0) console.error(`${count} users checked`);
  });
  for (const { userId, clerkUserId, problems } of violations) {
    console.log(`${clerkUserId} (${userId}): ${problems.join('; ')}`);
  }
  console.log(
    violations.length === 0
      ? `${usersChecked} users checked: every account equals its ledger.`
      : `${usersChecked} users checked: ${violations.length} do not equal their ledger.`,
  );
  return violations.length === 0 ? 0 : 1;
});
