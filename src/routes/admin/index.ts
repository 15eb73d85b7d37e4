import { Hono } from 'hono';
import { authenticate, requireAdmin } from '../../middleware/auth.ts';
import type { UserEnv } from '../../middleware/context.ts';
import type { RouteDeps } from '../deps.ts';
import { requireAccount } from './account.ts';
import { adminAnalyticsRoutes } from './analytics.ts';
import { adminAuditRoutes } from './audit.ts';
import { adminMaintenanceRoutes } from './maintenance.ts';
import { adminQuotaRoutes } from './quota.ts';
import { adminUserRoutes } from './users.ts';
import { adminWebhookRoutes } from './webhooks.ts';

/** For those alone whose session token carries the role, and whose account is there; there is no other way to it. */
export function adminRoutes(deps: RouteDeps) {
  return new Hono<UserEnv>()
    .use(authenticate(deps.sessions, 'admin'), requireAdmin(), requireAccount(deps))
    .route('/analytics', adminAnalyticsRoutes(deps))
    .route('/users', adminUserRoutes(deps))
    .route('/users', adminQuotaRoutes(deps))
    .route('/maintenance', adminMaintenanceRoutes(deps))
    .route('/audit', adminAuditRoutes(deps))
    .route('/webhooks', adminWebhookRoutes(deps));
}
