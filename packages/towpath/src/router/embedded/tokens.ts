import { createHmac, timingSafeEqual } from 'node:crypto';

/** Buckets a browser can be in; a weight of 1 % is 100 of them. */
export const BUCKETS = 10_000;
export const BUCKET_COOKIE = 'towpath_bucket';
/** A tester's request header; its value is made by `signRelease`. */
export const RELEASE_HEADER = 'x-towpath-release';

const mac = (key: string, text: string): string =>
  createHmac('sha256', key).update(text).digest('base64url').slice(0, 22);

function sameText(a: string, b: string): boolean {
  const left = Buffer.from(a, 'latin1');
  const right = Buffer.from(b, 'latin1');
  return left.length === right.length && timingSafeEqual(left, right);
}

/** The value of the header that sends one request to `release`, whatever its weight is. */
export const signRelease = (key: string, release: number): string => `${release}.${mac(key, `release:${release}`)}`;

/** Signs and reads what the router hands to browsers and testers. A wrong signature reads as undefined. */
export interface Tokens {
  bucketValue(bucket: number): string;
  /** From a whole Cookie header. */
  bucketIn(cookieHeader: string): number | undefined;
  releaseIn(headerValue: string): number | undefined;
}

export function createTokens(key: string): Tokens {
  // A bucket has one value for ever, so its HMAC is computed once: a hit costs a comparison.
  const values: (string | undefined)[] = Array.from({ length: BUCKETS }, () => undefined);
  const bucketValue = (bucket: number): string => (values[bucket] ??= `${bucket}.${mac(key, `bucket:${bucket}`)}`);
  return {
    bucketValue,
    bucketIn(header) {
      const at = cookieAt(header);
      if (at < 0) return undefined;
      const end = header.indexOf(';', at);
      const value = header.slice(at, end < 0 ? undefined : end).trim();
      const number = numberBeforeDot(value);
      return number !== undefined && number < BUCKETS && sameText(value, bucketValue(number)) ? number : undefined;
    },
    releaseIn(value) {
      const release = numberBeforeDot(value);
      return release !== undefined && sameText(value, signRelease(key, release)) ? release : undefined;
    },
  };
}

/** Where our cookie's value begins, or -1. A cookie whose name only ends like ours is not ours. */
function cookieAt(header: string): number {
  const name = `${BUCKET_COOKIE}=`;
  for (let at = header.indexOf(name); at >= 0; at = header.indexOf(name, at + 1)) {
    if (at === 0 || header[at - 1] === ' ' || header[at - 1] === ';') return at + name.length;
  }
  return -1;
}

function numberBeforeDot(value: string): number | undefined {
  const dot = value.indexOf('.');
  if (dot < 1 || dot > 10) return undefined;
  const digits = value.slice(0, dot);
  return /^(0|[1-9]\d*)$/.test(digits) ? Number(digits) : undefined;
}
