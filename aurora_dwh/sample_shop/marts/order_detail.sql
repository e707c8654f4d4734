/*
materialization: view
description: |
  Each order line with its order and its product, as one wide table for dashboards.
  A late-binding view: it always shows what is in staging, and rebuilding a table beneath it does not break it.
grain: [order_id, product_id]
owners: ["team:data_platform"]
sums:
  quantity_ordered: |
    SELECT SUM(quantity_ordered) FROM staging.order_details_master
    WHERE delete_date IS NULL AND order_id IN (SELECT order_id FROM staging.orders_master WHERE delete_date IS NULL)
columns:
  order_id: DECIMAL
  order_date: TIMESTAMP
  required_date: DATE
  shipped_date: TIMESTAMP
  status: VARCHAR
  comments: VARCHAR
  product_id: VARCHAR
  product_name: VARCHAR
  product_line: VARCHAR
  product_vendor: VARCHAR
  quantity_ordered: BIGINT
  price_each: DECIMAL
  line_amount: DECIMAL
  order_updated_at: TIMESTAMP
*/
SELECT
  d.order_id,
  o.order_date,
  o.required_date,
  o.shipped_date,
  o.status,
  o.comments,
  d.product_id,
  p.product_name,
  p.product_line,
  p.product_vendor,
  d.quantity_ordered,
  d.price_each,
  d.quantity_ordered * d.price_each AS line_amount,
  o.update_date AS order_updated_at
FROM staging.order_details_master AS d
INNER JOIN staging.orders_master AS o ON o.order_id = d.order_id
INNER JOIN staging.products_master AS p ON p.product_id = d.product_id
WHERE d.delete_date IS NULL
  AND o.delete_date IS NULL
