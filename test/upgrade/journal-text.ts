import type { Client } from 'pg'

/** What SQL makes of a server's catalog, in the order in which it can be run. Each is a query with one column `text`. */
const statements: readonly string[] = [
  `select format('create table verdict.%I (%s);', c.relname, string_agg(format('%I %s%s%s%s', a.attname,
      format_type(a.atttypid, a.atttypmod),
      case when a.attcollation not in (0, t.typcollation) then format(' collate %I', l.collname) else '' end,
      coalesce(' default ' || pg_get_expr(d.adbin, d.adrelid), ''),
      case when a.attnotnull then ' not null' else '' end), ', ' order by a.attnum)) as text
    from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
      join pg_type t on t.oid = a.atttypid
      left join pg_collation l on l.oid = a.attcollation
      left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
    where c.relnamespace = 'verdict'::regnamespace and c.relkind = 'r' group by c.relname order by c.relname`,
  `select format('alter table %s add constraint %I %s;', conrelid::regclass, conname, pg_get_constraintdef(oid)) as text
    from pg_constraint where connamespace = 'verdict'::regnamespace and contype <> 'n' order by conrelid::regclass::text, conname`,
  `select pg_get_indexdef(indexrelid) || ';' as text from pg_index i join pg_class c on c.oid = i.indexrelid
    where c.relnamespace = 'verdict'::regnamespace
      and not exists (select from pg_constraint where conindid = i.indexrelid) order by c.relname`,
]

/** What must not run while rows are put in their place. */
const lastStatements: readonly string[] = [
  `select pg_get_functiondef(oid) || ';' as text from pg_proc where pronamespace = 'verdict'::regnamespace order by proname`,
  `select pg_get_triggerdef(g.oid) || ';' || case when tgenabled = 'A'
      then format(' alter table %s enable always trigger %I;', tgrelid::regclass, tgname) else '' end as text
    from pg_trigger g join pg_class c on c.oid = g.tgrelid
    where c.relnamespace = 'verdict'::regnamespace and not tgisinternal order by tgname`,
]

/** The journal of a database as SQL: its tables, and what is in them. */
export async function journalText(client: Client): Promise<string> {
  const lines = ['create schema verdict;']
  for (const query of statements) lines.push(...(await texts(client, query)))
  for (const table of await texts(client, tables)) {
    const columns = await texts(
      client,
      `select quote_ident(attname) as text from pg_attribute
      where attrelid = '${table}'::regclass and attnum > 0 and not attisdropped order by attnum`,
    )
    const values = columns.map((column) => `quote_nullable(${column}::text)`).join(`, ', ', `)
    const rows = await texts(client, `select concat(${values}) as text from ${table} order by 1`)
    lines.push(...rows.map((row) => `insert into ${table} (${columns.join(', ')}) values (${row});`))
  }
  for (const query of lastStatements) lines.push(...(await texts(client, query)))
  return `${lines.join('\n')}\n`
}

const tables = `select oid::regclass::text as text from pg_class
  where relnamespace = 'verdict'::regnamespace and relkind = 'r' order by relname`

async function texts(client: Client, query: string): Promise<string[]> {
  return (await client.query<{ text: string }>(query)).rows.map(({ text }) => text)
}
