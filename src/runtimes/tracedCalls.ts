import type { ProfileSource } from '../identity/profiles.ts';
import type { Tracing } from '../observability/tracing/tracing.ts';
import type { Post } from '../outbound/post.ts';

/** Calls that take no `fetch`. Without tracing they stay what they are. */

export function tracedProfiles(tracing: Tracing | null, profiles: ProfileSource): ProfileSource {
  if (!tracing) return profiles;
  return (clerkUserId) => tracing.call('clerk users.get', { 'peer.service': 'clerk' }, () => profiles(clerkUserId));
}

/** A receiver is handed the trace; its address, which is a user's secret perhaps, is no part of it. */
export function tracedPost(tracing: Tracing | null, post: Post): Post {
  if (!tracing) return post;
  return (request, signal) =>
    tracing.call('webhook delivery', { 'http.request.method': 'POST' }, (headers) =>
      post({ ...request, headers: { ...request.headers, ...headers } }, signal),
    );
}
