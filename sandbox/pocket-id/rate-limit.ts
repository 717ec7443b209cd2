/** Token buckets per client address: so many calls at once, then so many a second. */
const rateLimits = {
  api: { perSecond: 100, burst: 300 },
  signup: { perSecond: 2 / 60, burst: 10 },
  oneTimeAccess: { perSecond: 1 / 10, burst: 5 },
} as const;

type RateLimit = keyof typeof rateLimits;

interface Bucket {
  readonly tokens: number;
  readonly atMs: number;
}

/** Takes one call from an address's bucket: 0 when it is admitted, else the seconds to wait, rounded up. */
export type RateLimiter = (limit: RateLimit, address: string) => number;

export const createRateLimiter = (now: () => number): RateLimiter => {
  const buckets = new Map<string, Bucket>();
  return (limit, address) => {
    const { perSecond, burst } = rateLimits[limit];
    const key = `${limit} ${address}`;
    const atMs = now();
    const bucket = buckets.get(key) ?? { tokens: burst, atMs };
    const tokens = Math.min(burst, bucket.tokens + ((atMs - bucket.atMs) / 1000) * perSecond);
    if (tokens < 1) {
      buckets.set(key, { tokens, atMs });
      return Math.ceil((1 - tokens) / perSecond);
    }
    buckets.set(key, { tokens: tokens - 1, atMs });
    return 0;
  };
};
