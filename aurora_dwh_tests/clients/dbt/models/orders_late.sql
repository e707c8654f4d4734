{{ config(materialized='view', bind=false) }}
select * from {{ source('shop', 'orders') }}
