/*
 * When a certificate is renewed: by what its authority suggests (ARI, RFC 9773), else by its age. Pure; instants in ms
 * since the epoch.
 */

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const dayMs = 24 * hourMs;

/** The days of a certificate's life. */
export interface Life {
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}

/** The time in which an authority wants a certificate to be renewed. RFC 9773 section 4.2. */
export interface Window {
  readonly startMs: number;
  readonly endMs: number;
}

/** What an authority said about one certificate, as it is kept between runs. */
export interface Advice {
  /** The certificate it is about; for any other it means nothing. */
  readonly serial: string;
  /** Left out: the authority says nothing about this certificate. */
  readonly window?: Window | undefined;
  /** Chosen once for a window, and kept as long as the window stays. */
  readonly renewAtMs?: number | undefined;
  /** Where the authority explains an unusual window. */
  readonly explanation?: string | undefined;
  /** When to ask again. */
  readonly askAtMs: number;
}

/** What an authority answered. */
export interface Answer {
  /** False where it gave no answer at all, or asked us to wait: what was known stays. */
  readonly heard: boolean;
  /** Left out: it says nothing about this certificate, or nothing that can be used. */
  readonly window?: Window | undefined;
  readonly explanation?: string | undefined;
  readonly retryAfterMs?: number | undefined;
}

/**
 * When a certificate is due by age: one third of its lifetime before its end, one half where it lives less than ten days.
 * @see https://letsencrypt.org/docs/integration-guide/#when-to-renew
 */
export const renewByAge = ({ notBeforeMs, notAfterMs }: Life): number => {
  const lifetimeMs = notAfterMs - notBeforeMs;
  return notAfterMs - lifetimeMs / (lifetimeMs < 10 * dayMs ? 2 : 3);
};

/** Whatever an authority suggests, this much of the lifetime is left for what may go wrong. */
const latestPart = 1 / 10;
/** An authority that wants each new certificate replaced at once would be ordered from without end. */
const earliest = { part: 1 / 50, mostMs: 12 * hourMs };

/** When to renew, and whether the authority chose that moment. */
export const renewalOf = (
  life: Life,
  advice: Advice | undefined,
): { readonly atMs: number; readonly suggested: boolean } => {
  const { notBeforeMs, notAfterMs } = life;
  if (advice?.renewAtMs === undefined) return { atMs: renewByAge(life), suggested: false };
  const lifetimeMs = notAfterMs - notBeforeMs;
  const firstMs = notBeforeMs + Math.min(lifetimeMs * earliest.part, earliest.mostMs);
  const lastMs = notAfterMs - lifetimeMs * latestPart;
  const atMs = Math.min(Math.max(advice.renewAtMs, firstMs), lastMs);
  return { atMs, suggested: atMs === advice.renewAtMs || atMs === firstMs };
};

const shortestPauseMs = minuteMs;
/** At least twice a day, whatever the authority says. */
const longestPauseMs = 12 * hourMs;
const usualPauseMs = 6 * hourMs;
/** After a question without an answer. */
const pauseAfterSilenceMs = hourMs;

/**
 * What is kept of an answer. `random`, from 0 to below 1, chooses the moment within the window; one that was chosen for
 * the same window stays.
 */
export const advised = (
  serial: string,
  before: Advice | undefined,
  answer: Answer,
  nowMs: number,
  random: number,
): Advice => {
  const known = before?.serial === serial ? before : undefined;
  const { heard, window, explanation } = answer;
  const wantedMs = answer.retryAfterMs ?? (heard ? usualPauseMs : pauseAfterSilenceMs);
  const askAtMs = nowMs + Math.min(Math.max(wantedMs, shortestPauseMs), longestPauseMs);
  if (!heard) return { ...known, serial, askAtMs };
  if (window === undefined || window.endMs < window.startMs) return { serial, askAtMs };
  const isSame = known?.window?.startMs === window.startMs && known.window.endMs === window.endMs;
  const chosenMs = Math.round(window.startMs + random * (window.endMs - window.startMs));
  const renewAtMs = isSame ? (known.renewAtMs ?? chosenMs) : chosenMs;
  return { serial, window, renewAtMs, askAtMs, ...(explanation === undefined ? {} : { explanation }) };
};

/** Whether the authority should be asked now. A certificate that is over is not asked about (RFC 9773 section 4.3). */
export const isToBeAsked = (
  { serial, notAfterMs }: Life & { readonly serial: string },
  advice: Advice | undefined,
  nowMs: number,
): boolean => {
  if (nowMs >= notAfterMs) return false;
  if (advice?.serial !== serial) return true;
  // A clock that was set back would otherwise leave the authority unasked for as long.
  return nowMs >= advice.askAtMs || advice.askAtMs - nowMs > longestPauseMs;
};
