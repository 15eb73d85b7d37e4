import Stripe from 'stripe';

/** The version of the API that the SDK in use is pinned to; this server speaks no other. */
export const API_VERSION = Stripe.API_VERSION;
