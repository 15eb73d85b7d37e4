/**
 * A publishable key is `pk_test_` or `pk_live_` and the base64 of the Frontend API's host with a `$` behind it.
 * https://clerk.com/docs/guides/how-clerk-works/overview#publishable-key
 */
const PUBLISHABLE_KEY = /^pk_(?:test|live)_([A-Za-z0-9+/]+={0,2})$/;
const DECODED = /^((?:[A-Za-z0-9-]+\.)+[A-Za-z0-9-]+)\$$/;

/** The host of the Frontend API that a publishable key names, or null when it is none. */
export function frontendApiOf(publishableKey: string): string | null {
  const encoded = PUBLISHABLE_KEY.exec(publishableKey)?.[1];
  if (encoded === undefined) {
    return null;
  }
  try {
    return DECODED.exec(atob(encoded))?.[1] ?? null;
  } catch {
    return null;
  }
}

export function publishableKeyFor(frontendApi: string): string {
  return `pk_test_${btoa(`${frontendApi}$`)}`;
}
