/*
materialization: table
description: |
  Sales by day and product line.
  Orders that were deleted or cancelled are left out; amounts are in the shop's currency.
grain: [order_day, product_line]
dist_key: order_day
sort_key: [order_day]
owners: ["team:data_platform"]
sums:
  units: |
    SELECT SUM(d.quantity_ordered) FROM staging.order_details_master AS d
    INNER JOIN staging.orders_master AS o ON o.order_id = d.order_id
    WHERE o.delete_date IS NULL AND d.delete_date IS NULL AND o.status <> 'Cancelled'
columns: {product_line: VARCHAR, units: BIGINT, revenue: DECIMAL, discount: DECIMAL}
descriptions:
  order_day: The day of the order in Tokyo
  units: Pieces that were ordered
  revenue: What customers pay for them
  discount: How much less that is than the list prices
*/
SELECT
  CAST(o.order_date AS DATE) AS order_day,
  p.product_line,
  COUNT(DISTINCT o.order_id) AS orders,
  SUM(d.quantity_ordered) AS units,
  SUM(d.quantity_ordered * d.price_each) AS revenue,
  SUM(d.quantity_ordered * (p.msrp - d.price_each)) AS discount
FROM staging.orders_master AS o
INNER JOIN staging.order_details_master AS d ON d.order_id = o.order_id
INNER JOIN staging.products_master AS p ON p.product_id = d.product_id
WHERE o.delete_date IS NULL
  AND d.delete_date IS NULL
  AND o.status <> 'Cancelled'
GROUP BY 1, 2
