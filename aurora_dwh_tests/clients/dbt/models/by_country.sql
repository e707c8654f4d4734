{{ config(materialized='table', dist='code', sort=['code', 'orders']) }}
select c.code, count(o.order_id) as orders, sum(o.amount)::numeric(18,2) as amount
from {{ ref('country') }} c left join {{ ref('orders') }} o on o.code = c.code
group by c.code
