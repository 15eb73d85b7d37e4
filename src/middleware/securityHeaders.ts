import { secureHeaders } from 'hono/secure-headers';

/**
 * An API answers data, never a page: browsers must not sniff, frame, embed or run it. A route that does serve a page or
 * a picture sets its own `Content-Security-Policy`, `Cross-Origin-Resource-Policy` or `Cache-Control`, which stands.
 */
export function securityHeaders() {
  return secureHeaders({
    overwrite: false,
    contentSecurityPolicy: { defaultSrc: ["'none'"], frameAncestors: ["'none'"] },
    xFrameOptions: 'DENY',
  });
}
