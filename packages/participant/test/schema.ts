import type { StandardSchemaV1 } from '@standard-schema/spec'

interface Kinds {
  readonly string: string
  readonly number: number
}

/** A Standard Schema of an object with these fields, which answers later, as schemas may. */
export function fields<const F extends Readonly<Record<string, keyof Kinds>>>(
  expected: F,
): StandardSchemaV1<{ readonly [Name in keyof F]: Kinds[F[Name]] }> {
  type Value = { readonly [Name in keyof F]: Kinds[F[Name]] }
  return {
    '~standard': {
      version: 1,
      vendor: 'test',
      validate: async (value) => {
        const issues = Object.entries(expected).flatMap(([name, kind]) =>
          typeof Reflect.get(Object(value), name) === kind ? [] : [{ message: `expected a ${kind}`, path: [name] }],
        )
        return issues.length > 0 ? { issues } : { value: value as Value }
      },
    },
  }
}
