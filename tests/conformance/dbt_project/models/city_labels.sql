-- Fails when it is built: a city is no number.
select cast(city as integer) as label from {{ ref("depot_load") }}
