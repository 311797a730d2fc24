-- Never built: what it needs fails.
select label from {{ ref("city_labels") }}
