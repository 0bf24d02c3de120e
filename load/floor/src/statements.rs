//! One statement a route; the JSON is the server's answer to the operation of the same name.

/// `$1` slug of the tenant, `$2` subject of the user.
pub(crate) const ME: &str = "select json_build_object('data', json_build_object('me',
   (select json_build_object('id', u.id, 'email', u.email, 'displayName', u.display_name)
      from users u join tenants t on t.id = u.tenant_id
     where t.slug = $1 and u.auth_provider = 'jwt' and u.auth_subject = $2)))::text";

/// `$1` board, `$2` user.
pub(crate) const BOARD: &str = "select json_build_object('data', json_build_object('board',
   (select json_build_object('id', b.id, 'title', b.title, 'description', b.description, 'isPublic', b.is_public,
           'settings', b.settings, 'createdAt', b.created_at, 'updatedAt', b.updated_at,
           'generationCount', (select count(*) from generations g where g.board_id = b.id),
           'owner', (select json_build_object('id', u.id, 'displayName', u.display_name) from users u where u.id = b.owner_id),
           'members', (select coalesce(json_agg(json_build_object('role', upper(m.role), 'joinedAt', m.joined_at,
                          'user', json_build_object('id', u.id, 'displayName', u.display_name)) order by m.joined_at), '[]')
                         from board_members m join users u on u.id = m.user_id where m.board_id = b.id),
           'generations', (select coalesce(json_agg(json_build_object('id', g.id, 'generatorName', g.generator_name,
                              'artifactType', upper(g.artifact_type), 'status', upper(g.status), 'progress', g.progress,
                              'storageUrl', g.storage_url, 'thumbnailUrl', g.thumbnail_url, 'inputParams', g.input_params,
                              'createdAt', g.created_at) order by g.created_at desc), '[]')
                             from (select * from generations g where g.board_id = b.id
                                    order by g.created_at desc limit 20) g))
      from boards b
     where b.id = $1 and (b.is_public or b.owner_id = $2
           or exists (select 1 from board_members m where m.board_id = b.id and m.user_id = $2)))))::text";

/// `$1` user. Candidates come through the two indexes (owner, member), not from an OR over a scan.
pub(crate) const MY_BOARDS: &str = "select json_build_object('data', json_build_object('myBoards', coalesce(json_agg(json_build_object(
           'id', b.id, 'title', b.title, 'isPublic', b.is_public, 'updatedAt', b.updated_at,
           'generationCount', (select count(*) from generations g where g.board_id = b.id),
           'owner', (select json_build_object('id', u.id, 'displayName', u.display_name) from users u where u.id = b.owner_id),
           'members', (select coalesce(json_agg(json_build_object('role', upper(m.role),
                          'user', json_build_object('id', u.id, 'displayName', u.display_name)) order by m.joined_at), '[]')
                         from board_members m join users u on u.id = m.user_id where m.board_id = b.id))
           order by b.updated_at desc), '[]')))::text
   from (select b.* from boards b join
           (select id from boards where owner_id = $1
            union select board_id from board_members where user_id = $1) x on x.id = b.id
         order by b.updated_at desc limit 50) b";

/// `$1` slug of the tenant.
pub(crate) const PUBLIC_BOARDS: &str = "select json_build_object('data', json_build_object('publicBoards', coalesce(json_agg(json_build_object(
           'id', b.id, 'title', b.title,
           'owner', (select json_build_object('displayName', u.display_name) from users u where u.id = b.owner_id),
           'generationCount', (select count(*) from generations g where g.board_id = b.id))
           order by b.updated_at desc), '[]')))::text
   from (select b.* from boards b join tenants t on t.id = b.tenant_id
          where t.slug = $1 and b.is_public order by b.updated_at desc limit 20) b";

/// `$1` user.
pub(crate) const RECENT: &str = "select json_build_object('data', json_build_object('recentGenerations', coalesce(json_agg(json_build_object(
           'id', g.id, 'status', upper(g.status), 'artifactType', upper(g.artifact_type), 'createdAt', g.created_at,
           'board', (select json_build_object('id', b.id, 'title', b.title) from boards b where b.id = g.board_id),
           'user', (select json_build_object('displayName', u.display_name) from users u where u.id = g.user_id))
           order by g.created_at desc), '[]')))::text
   from (select g.* from
           (select id from boards where owner_id = $1
            union select id from boards where is_public and tenant_id = (select tenant_id from users where id = $1)
            union select board_id from board_members where user_id = $1) x
         cross join lateral (select g.id, g.status, g.artifact_type, g.created_at, g.board_id, g.user_id
                               from generations g where g.board_id = x.id offset 0) g
         order by g.created_at desc limit 50) g";

/// `$1` user, `$2` pattern.
pub(crate) const SEARCH: &str = "select json_build_object('data', json_build_object('searchBoards', coalesce(json_agg(json_build_object(
           'id', b.id, 'title', b.title, 'isPublic', b.is_public) order by b.updated_at desc), '[]')))::text
   from (select * from boards b where b.tenant_id = (select tenant_id from users where id = $1)
            and (b.is_public or b.owner_id = $1 or b.id in (select board_id from board_members where user_id = $1))
            and (b.title ilike $2 or b.description ilike $2)
          order by updated_at desc limit 20) b";

/// `$1` user, `$2` title.
pub(crate) const CREATE_BOARD: &str = "with n as (insert into boards (tenant_id, owner_id, title)
     select tenant_id, id, $2 from users where id = $1 returning id, title)
   select json_build_object('data', json_build_object('createBoard', json_build_object('id', id, 'title', title)))::text from n";
