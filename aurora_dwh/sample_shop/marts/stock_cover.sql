/*
materialization: table
description: |
  What lies in stock, what it is worth, and for how many days it will last.
  Cover is the stock divided by the average daily sale of the product's last 14 days of orders.
grain: [product_id]
dist_key: product_id
owners: ["team:data_platform"]
sums:
  quantity_stock: SELECT SUM(quantity_stock) FROM staging.products_master WHERE delete_date IS NULL
columns:
  product_id: VARCHAR
  product_name: VARCHAR
  product_line: VARCHAR
  quantity_stock: INTEGER
  stock_value: DECIMAL
  units_14_days: BIGINT
*/
WITH last_day AS (
  SELECT MAX(CAST(order_date AS DATE)) AS day FROM staging.orders_master WHERE delete_date IS NULL
),

sold AS (
  SELECT d.product_id, SUM(d.quantity_ordered) AS units
  FROM staging.order_details_master AS d
  INNER JOIN staging.orders_master AS o ON o.order_id = d.order_id
  CROSS JOIN last_day AS l
  WHERE o.delete_date IS NULL
    AND d.delete_date IS NULL
    AND o.status <> 'Cancelled'
    AND CAST(o.order_date AS DATE) > DATEADD(day, -14, l.day)
  GROUP BY d.product_id
)

SELECT
  p.product_id,
  p.product_name,
  p.product_line,
  p.quantity_stock,
  p.quantity_stock * p.price AS stock_value,
  NVL(s.units, 0) AS units_14_days,
  CAST(p.quantity_stock * 14.0 / NULLIF(s.units, 0) AS DECIMAL(12, 1)) AS cover_days
FROM staging.products_master AS p
LEFT JOIN sold AS s ON s.product_id = p.product_id
WHERE p.delete_date IS NULL
