create schema verdict;
create table verdict.branch (id text collate "C" not null, participant text collate "C" not null, state text collate "C" not null, xid xid8 not null, digest text collate "C" not null, token text collate "C", results bytea[], trace jsonb, written_at timestamp with time zone default now() not null, mode text collate "C" default 'logged'::text not null);
create table verdict.floor (participant text collate "C" not null, group_id text collate "C" not null, epoch text collate "C" not null);
create table verdict.version (version integer not null);
alter table verdict.branch add constraint branch_check CHECK (((token IS NOT NULL) OR (state = 'aborted'::text)));
alter table verdict.branch add constraint branch_mode_check CHECK ((mode = ANY (ARRAY['lone'::text, 'logged'::text])));
alter table verdict.branch add constraint branch_pkey PRIMARY KEY (id, participant);
alter table verdict.branch add constraint branch_state_check CHECK ((state = ANY (ARRAY['committed'::text, 'aborted'::text])));
alter table verdict.floor add constraint floor_pkey PRIMARY KEY (participant, group_id);
insert into verdict.branch (id, participant, state, xid, digest, token, results, trace, written_at, mode) values ('main_aaaaaaaaaaaaa_aaaaaab_checkout_oaaaaaaaaaaaaaaaaaaaq', 'payments', 'committed', '754', 'vvcfn6zg56yxjqnthjo3gz44cu', 'aaaaaaaaaaaaaaaafpzq', E'{"\\\\xde0002a762616c616e6365d3000000000000005aa26174d6ff00000000"}', '{"tracestate": "shop=1", "traceparent": "00-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-bbbbbbbbbbbbbbbb-01"}', '2026-11-29 16:11:14.867655+00', 'logged');
insert into verdict.branch (id, participant, state, xid, digest, token, results, trace, written_at, mode) values ('main_aaaaaaaaaaaaa_aaaaaab_checkout_oaaaaaaaaaaaaaaaaaaba', 'payments', 'committed', '755', '7xixdnrtdfr4o2kvushcaro22i', 'aaaaaaaaaaaaaaaafp2a', E'{"\\\\xde0002a762616c616e6365d3000000000000005aa26174d6ff00000000"}', '{"tracestate": "shop=1", "traceparent": "00-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-bbbbbbbbbbbbbbbb-01"}', '2026-11-29 16:11:15.758921+00', 'lone');
insert into verdict.branch (id, participant, state, xid, digest, token, results, trace, written_at, mode) values ('main_aaaaaaaaaaaaa_aaaaaab_checkout_oaaaaaaaaaaaaaaaaaabq', 'payments', 'aborted', '756', 'fnraq3vxclqupnad2mldm4ej4y', NULL, NULL, NULL, '2026-11-29 16:11:15.789243+00', 'logged');
insert into verdict.branch (id, participant, state, xid, digest, token, results, trace, written_at, mode) values ('main_aaaaaaaaaaaaa_aaaaaab_checkout_oaaaaaaaaaaaaaaaaaaca', 'payments', 'aborted', '758', '7ujfi4gjkd2s5zjwsk54nfysxe', NULL, NULL, NULL, '2026-11-29 16:11:16.211568+00', 'logged');
insert into verdict.version (version) values ('3');
CREATE OR REPLACE FUNCTION verdict.check_floor()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
    begin
      if current_setting('transaction_isolation') in ('repeatable read', 'serializable') then
        if current_setting('verdict.floor', true) is distinct from 'elsewhere' then
          raise exception 'the floor cannot be read in the snapshot of a % transaction', current_setting('transaction_isolation')
            using errcode = 'VF002';
        end if;
      elsif verdict.is_expired(new.participant, new.id) then
        raise exception 'the epoch of % is at or below the floor', new.id using errcode = 'VF001';
      end if;
      return null;
    end
  $function$
;
CREATE OR REPLACE FUNCTION verdict.is_expired(of_participant text, of_id text)
 RETURNS boolean
 LANGUAGE sql
 STABLE
AS $function$
    select exists (
      select from verdict.floor
      where participant = of_participant and group_id = split_part(of_id, '_', 1) || '_' || split_part(of_id, '_', 2)
        and epoch >= translate(split_part(of_id, '_', 3), 'abcdefghijklmnopqrstuvwxyz234567', '0123456789abcdefghijklmnopqrstuv'))
  $function$
;
CREATE TRIGGER check_floor AFTER INSERT ON verdict.branch FOR EACH ROW EXECUTE FUNCTION verdict.check_floor(); alter table verdict.branch enable always trigger check_floor;
