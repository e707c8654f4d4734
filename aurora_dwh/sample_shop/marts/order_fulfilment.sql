/*
materialization: table
description: |
  How fast orders leave the house, by order day and status.
  Days from order to shipping, and the share of shipped orders that were late against the required date.
grain: [order_day, status]
sort_key: [order_day]
owners: ["team:data_platform"]
sums:
  orders: SELECT COUNT(*) FROM staging.orders_master WHERE delete_date IS NULL
  shipped: SELECT COUNT(shipped_date) FROM staging.orders_master WHERE delete_date IS NULL
columns: {status: VARCHAR, shipped_late: BIGINT, days_to_ship: BIGINT, longest_days_to_ship: BIGINT}
*/
SELECT
  CAST(order_date AS DATE) AS order_day,
  status,
  COUNT(*) AS orders,
  COUNT(shipped_date) AS shipped,
  SUM(CASE WHEN shipped_date > required_date THEN 1 ELSE 0 END) AS shipped_late,
  SUM(DATEDIFF(day, order_date, shipped_date)) AS days_to_ship,
  MAX(DATEDIFF(day, order_date, shipped_date)) AS longest_days_to_ship
FROM staging.orders_master
WHERE delete_date IS NULL
GROUP BY 1, 2
