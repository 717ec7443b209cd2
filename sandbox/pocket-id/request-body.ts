import { type FieldViolation, invalidBody, invalidFields } from './api-error.ts';
import type { Call } from './service.ts';

interface TextRules {
  readonly required?: boolean;
  readonly min?: number;
  readonly max?: number;
  /** A named form, e.g. `username`, and its test. */
  readonly form?: { readonly name: string; readonly accepts: (text: string) => boolean };
}

/**
 * Reads the fields of a JSON object one by one. A value of the wrong type ends the request at once; broken rules
 * are collected and reported by `done`. `null` counts as absent, as Go's decoder has it.
 */
export interface Fields {
  text(name: string, rules?: TextRules): string;
  optionalText(name: string, rules?: TextRules): string | null;
  flag(name: string): boolean;
  /** 0 or absent is `fallback`. */
  whole(
    name: string,
    range: { readonly fallback: number; readonly min: number; readonly max: number },
  ): number;
  texts(
    name: string,
    rules?: { readonly required?: boolean; readonly form?: TextRules['form'] },
  ): readonly string[];
  raw(name: string): unknown;
  refuse(violation: FieldViolation): void;
  /** @throws ApiError validation_failed with every broken rule */
  done(): void;
}

const brokenRule = (text: string, rules: TextRules): Omit<FieldViolation, 'field'> | undefined => {
  if (text === '') return rules.required === true ? { code: 'required', message: 'is required' } : undefined;
  if (rules.form !== undefined && !rules.form.accepts(text))
    return { code: rules.form.name, message: `is not a valid ${rules.form.name}` };
  if (rules.min !== undefined && text.length < rules.min)
    return { code: 'min', message: `must be at least ${rules.min} characters long` };
  if (rules.max !== undefined && text.length > rules.max)
    return { code: 'max', message: `must be at most ${rules.max} characters long` };
  return undefined;
};

const fieldsOf = (body: Readonly<Record<string, unknown>>): Fields => {
  const violations: FieldViolation[] = [];
  const refuse = (violation: FieldViolation): void => void violations.push(violation);
  const text = (name: string, rules: TextRules = {}): string => {
    const value = body[name] ?? '';
    if (typeof value !== 'string') throw invalidBody();
    const broken = brokenRule(value, rules);
    if (broken !== undefined) refuse({ field: name, ...broken });
    return value;
  };
  return {
    text,
    optionalText: (name, rules = {}) => {
      const value = text(name, rules);
      return value === '' ? null : value;
    },
    flag: (name) => {
      const value = body[name] ?? false;
      if (typeof value !== 'boolean') throw invalidBody();
      return value;
    },
    whole: (name, { fallback, min, max }) => {
      const value = body[name] ?? 0;
      if (typeof value !== 'number' || !Number.isInteger(value)) throw invalidBody();
      if (value === 0) return fallback;
      if (value < min || value > max)
        refuse({ field: name, code: 'range', message: `must be between ${min} and ${max}` });
      return value;
    },
    texts: (name, rules = {}) => {
      const value = body[name] ?? undefined;
      if (value === undefined) {
        if (rules.required === true) refuse({ field: name, code: 'required', message: 'is required' });
        return [];
      }
      if (!Array.isArray(value)) throw invalidBody();
      const texts = value.filter((each) => typeof each === 'string');
      if (texts.length < value.length) throw invalidBody();
      for (const each of texts) {
        const broken = brokenRule(each, rules.form === undefined ? {} : { form: rules.form, required: true });
        if (broken !== undefined) refuse({ field: name, ...broken });
      }
      return texts;
    },
    raw: (name) => body[name],
    refuse,
    done: () => {
      if (violations.length > 0) throw invalidFields(violations);
    },
  };
};

/**
 * The JSON object of a request.
 * @throws ApiError invalid_request_body without JSON content type, or when it is no JSON object
 */
export const readFields = async (call: Call): Promise<Fields> => {
  const type = call.req.header('content-type') ?? '';
  if (!/^application\/json\s*(;|$)/i.test(type)) throw invalidBody();
  const body: unknown = await call.req.json().catch(() => undefined);
  if (typeof body !== 'object' || body === null || Array.isArray(body)) throw invalidBody();
  return fieldsOf(body as Record<string, unknown>);
};

/** As `readFields`, for endpoints whose body may be missing. */
export const readOptionalFields = async (call: Call): Promise<Fields> =>
  call.req.header('content-type') === undefined ? fieldsOf({}) : readFields(call);

/** The parameters of a form (OAuth endpoints); of a repeated one the first counts. */
export const readForm = async (call: Call): Promise<URLSearchParams> =>
  new URLSearchParams(
    /^application\/x-www-form-urlencoded/i.test(call.req.header('content-type') ?? '')
      ? await call.req.text()
      : '',
  );
