import type { Types } from 'mongoose';
import { QUOTA_ALERT_LEVELS } from '../../src/domain/alerts.ts';
import { addMonths } from '../../src/domain/periods.ts';
import { SUBSCRIPTION_QUOTAS, type SubscriptionTier } from '../../src/domain/tiers.ts';
import type { LedgerEntry } from '../../src/models/LedgerEntry.ts';

interface Refund {
  at: Date;
  charge: LedgerEntry;
}

/**
 * An account as it lives through its history: it begins a period when one is over, takes what the period allows, gives back,
 * and writes the ledger that the real one would have.
 */
export class BulkAccount {
  readonly ledger: LedgerEntry[] = [];
  used = 0;
  private mostUsed = 0;
  periodNumber = 1;
  periodStart: Date;
  periodEnd: Date;
  private readonly userId: Types.ObjectId;
  private readonly anchor: Date;
  private readonly entryId: (sequence: number, at: Date) => Types.ObjectId;
  private readonly quota: number;
  private refunds: Refund[] = [];

  /**
   * @param anchor the instant from which its months count
   * @param entryId the id of an entry, by its sequence
   */
  constructor(
    userId: Types.ObjectId,
    tier: SubscriptionTier,
    anchor: Date,
    entryId: (sequence: number, at: Date) => Types.ObjectId,
  ) {
    this.userId = userId;
    this.anchor = anchor;
    this.entryId = entryId;
    this.quota = SUBSCRIPTION_QUOTAS[tier];
    this.periodStart = anchor;
    this.periodEnd = addMonths(anchor, 1);
  }

  /** Null where the credits do not fit into the period. */
  charge(at: Date, credits: number, generationId: Types.ObjectId): LedgerEntry | null {
    this.advance(at);
    if (this.used + credits > this.quota) return null;
    this.used += credits;
    this.mostUsed = Math.max(this.mostUsed, this.used);
    return this.write({
      kind: 'charge',
      credits,
      balance: this.quota - this.used,
      period: this.periodNumber,
      at,
      generationId,
    });
  }

  /** Gives a charge back when that instant comes. */
  refundAt(at: Date, charge: LedgerEntry): void {
    this.refunds.push({ at, charge });
    this.refunds.sort((a, b) => a.at.getTime() - b.at.getTime());
  }

  /** Lets everything happen that is due. */
  advance(to: Date): void {
    for (;;) {
      const [refund] = this.refunds;
      if (refund && refund.at < this.periodEnd && refund.at <= to) this.giveBack(refund);
      else if (this.periodEnd <= to) this.beginPeriod();
      else return;
    }
  }

  /** The highest alert level that the period's usage has reached, or 0; what was given back is not called off. */
  alert(): number {
    return QUOTA_ALERT_LEVELS.findLast((level) => this.mostUsed * 100 >= level * this.quota) ?? 0;
  }

  private giveBack({ at, charge }: Refund): void {
    this.refunds.shift();
    // What was paid in an earlier period does not come back to this one.
    if (charge.period === this.periodNumber) this.used -= charge.credits;
    const { credits, period, generationId } = charge;
    this.write({
      kind: 'refund',
      credits,
      balance: this.quota - this.used,
      period,
      at,
      chargeId: charge._id,
      ...(generationId && { generationId }),
    });
  }

  private beginPeriod(): void {
    this.periodStart = this.periodEnd;
    this.periodEnd = addMonths(this.anchor, this.periodNumber + 1);
    this.periodNumber += 1;
    this.used = 0;
    this.mostUsed = 0;
    const { quota, periodNumber: period, periodStart: at } = this;
    this.write({ kind: 'reset', credits: quota, balance: quota, period, at });
  }

  private write(entry: Omit<LedgerEntry, '_id' | 'userId' | 'sequence'>): LedgerEntry {
    const sequence = this.ledger.length + 1;
    const line = { _id: this.entryId(sequence, entry.at), userId: this.userId, sequence, ...entry };
    this.ledger.push(line);
    return line;
  }
}
