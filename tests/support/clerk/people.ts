import type { EmailAddressJSON, UserJSON } from '@clerk/backend';
import { Types } from 'mongoose';
import type { IdentityEvent } from '@/domain/identity.ts';

/** What a test says of somebody; the rest is what Clerk says of everybody. */
export interface Told {
  id?: string;
  /** The primary address; null: there is none. */
  email?: string | null;
  firstName?: string | null;
  lastName?: string | null;
  /** Without it, now: an import may name an earlier instant. */
  createdAt?: Date;
}

/** An event as Clerk sends it, unsigned. */
export interface PersonEvent<Data extends { id: string } = { id: string }> {
  type: IdentityEvent;
  timestamp: number;
  data: Data;
}

/** The users of one Clerk instance. Each change tells of itself as the event that Clerk would send. */
export class People {
  /** The public keys of the instance, as JWK. */
  signingKeys: unknown[] = [];
  private readonly users = new Map<string, UserJSON>();
  private readonly now: () => Date;

  /** @param now the instance's clock */
  constructor(now: () => Date) {
    this.now = now;
  }

  signUp({ id = `user_${new Types.ObjectId().toHexString()}`, createdAt, ...told }: Told = {}): PersonEvent<UserJSON> {
    const { email = `${id}@example.com`, firstName = 'Given', lastName = 'Family' } = told;
    const at = this.now().getTime();
    const user = userJson(id, { email, firstName, lastName }, createdAt?.getTime() ?? at, at);
    this.users.set(id, user);
    return { type: 'user.created', timestamp: at, data: user };
  }

  change(id: string, { email, firstName, lastName }: Omit<Told, 'id' | 'createdAt'>): PersonEvent<UserJSON> {
    const known = this.users.get(id);
    if (!known) throw new Error(`Clerk knows no ${id}`);
    const at = this.now().getTime();
    const told = {
      email: email === undefined ? primaryOf(known) : email,
      firstName: firstName === undefined ? known.first_name : firstName,
      lastName: lastName === undefined ? known.last_name : lastName,
    };
    const user = userJson(id, told, known.created_at, at);
    this.users.set(id, user);
    return { type: 'user.updated', timestamp: at, data: user };
  }

  remove(id: string): PersonEvent {
    this.users.delete(id);
    const data = { object: 'user', id, deleted: true };
    return { type: 'user.deleted', timestamp: this.now().getTime(), data };
  }

  /** Shows somebody as an event has told of them: as a list does that was read before what has happened since. */
  goBack({ data }: PersonEvent<UserJSON>): void {
    this.users.set(data.id, data);
  }

  find(id: string): UserJSON | undefined {
    return this.users.get(id);
  }

  /** Everybody, oldest first; of one instant by id. */
  all(): UserJSON[] {
    return [...this.users.values()].sort((a, b) => a.created_at - b.created_at || (a.id < b.id ? -1 : 1));
  }

  get count(): number {
    return this.users.size;
  }
}

export function primaryOf({ email_addresses, primary_email_address_id }: UserJSON): string | null {
  return email_addresses.find(({ id }) => id === primary_email_address_id)?.email_address ?? null;
}

function addressJson(id: string, email: string): EmailAddressJSON {
  return { id, object: 'email_address', email_address: email, verification: null, linked_to: [] };
}

function userJson(
  id: string,
  { email, firstName, lastName }: { email: string | null; firstName: string | null; lastName: string | null },
  createdAt: number,
  updatedAt: number,
): UserJSON {
  const primary = `idn_${id}`;
  // Whoever has one address often has another one: the primary one is not the first.
  const addresses = [addressJson(`${primary}_other`, 'other@example.com')];
  if (email !== null) addresses.push(addressJson(primary, email));
  return {
    id,
    object: 'user',
    username: null,
    first_name: firstName,
    last_name: lastName,
    image_url: 'https://img.clerk.com/preview.png',
    has_image: false,
    primary_email_address_id: email === null ? null : primary,
    primary_phone_number_id: null,
    primary_web3_wallet_id: null,
    password_enabled: true,
    two_factor_enabled: false,
    totp_enabled: false,
    backup_code_enabled: false,
    email_addresses: addresses,
    phone_numbers: [],
    web3_wallets: [],
    organization_memberships: null,
    external_accounts: [],
    enterprise_accounts: [],
    password_last_updated_at: null,
    public_metadata: {},
    private_metadata: {},
    unsafe_metadata: {},
    external_id: null,
    last_sign_in_at: null,
    banned: false,
    locked: false,
    deprovisioned: false,
    lockout_expires_in_seconds: null,
    verification_attempts_remaining: null,
    created_at: createdAt,
    updated_at: updatedAt,
    last_active_at: null,
    create_organization_enabled: true,
    create_organizations_limit: null,
    delete_self_enabled: true,
    legal_accepted_at: null,
    locale: null,
    timezone: null,
  };
}
