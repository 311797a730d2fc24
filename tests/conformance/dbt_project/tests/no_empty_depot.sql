select city from {{ ref("depot_load") }} where parcels = 0
