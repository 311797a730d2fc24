{{ config(materialized="view") }}
select parcel_id, depot_id, weight_g / 1000.0 as weight_kg, sender_email, state
from {{ ref("parcels") }}
where state <> 'test'
