{{ config(materialized='incremental', incremental_strategy='merge', unique_key='order_id', dist='order_id', sort='updated_at',
          on_schema_change='append_new_columns') }}
select * from {{ ref('orders') }}
{% if is_incremental() %} where updated_at > (select max(updated_at) from {{ this }}) {% endif %}
