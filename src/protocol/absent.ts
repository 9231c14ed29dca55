// One rule for every optional wire field: it may be missing or `null` on input, and is missing (never `null`) on output.
import type { z } from 'zod';

/** An optional field. `null` is read as absent, because other implementations of the protocol may write it so. */
export function absent<T extends z.ZodType>(schema: T): Absent<T> {
  return schema
    .nullable()
    .transform((value) => value ?? undefined)
    .optional() as never;
}

type Absent<T extends z.ZodType> = z.ZodOptional<z.ZodType<z.output<T> | undefined, z.input<T> | null>>;

/** A field with a default for when it is missing or `null`. */
export function defaulted<T extends z.ZodType>(
  schema: T,
  value: z.output<T>,
): z.ZodType<z.output<T>, z.input<T> | null | undefined> {
  return absent(schema).transform((given) => given ?? value) as never;
}
