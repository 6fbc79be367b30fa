-- The login roles of the services. What each may touch is granted by the migrations.
-- Safe to run again.
do $$
declare
    role_name text;
begin
    foreach role_name in array array['tocsin_intake', 'tocsin_routing', 'tocsin_notify'] loop
        if not exists (select from pg_roles where rolname = role_name) then
            execute format('create role %I login', role_name);
        end if;
    end loop;
end
$$;
