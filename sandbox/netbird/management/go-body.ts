import * as z from 'zod';
import { ApiError } from './answers.ts';

/**
 * Parts of request bodies as Go decodes them: an absent or null field is the type's zero value, an unknown field is
 * ignored, a field of another type refuses the whole body.
 */
export const goString = z
  .string()
  .nullish()
  .transform((value) => value ?? '');
export const goBool = z
  .boolean()
  .nullish()
  .transform((value) => value ?? false);
export const goInt = z
  .int()
  .nullish()
  .transform((value) => value ?? 0);
/** Absent and null stay apart from an empty list. */
export const goStrings = z
  .array(z.string())
  .nullish()
  .transform((value) => value ?? null);

/**
 * The body as `schema` reads it. What follows the first JSON value is not looked at by the real server; here it must
 * be nothing.
 * @throws {ApiError} 400 when it is not JSON or a field has another type.
 */
export function bodyOf<Shape>(schema: z.ZodType<Shape>, body: string): Shape {
  let document: unknown;
  try {
    document = JSON.parse(body);
  } catch {
    throw unreadable();
  }
  const parsed = schema.safeParse(document);
  if (!parsed.success) throw unreadable();
  return parsed.data;
}

const unreadable = (): ApiError => new ApiError(400, "couldn't parse JSON request");
