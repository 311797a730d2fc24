select d.city, count(p.parcel_id) as parcels, sum(p.weight_kg) as weight_kg
from {{ ref("stg_parcels") }} p
join {{ ref("depots") }} d on p.depot_id = d.depot_id
group by d.city
