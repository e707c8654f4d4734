/*
materialization: incremental
description: |
  Page views and visits by day and path.
  Page views are only ever added, so a day is computed once from that day's rows.
grain: [view_day, path]
day_column: view_day
sort_key: [view_day]
owners: ["team:data_platform"]
sums:
  views: SELECT COUNT(*) FROM staging.page_view WHERE _dwh_day >= :first_day AND _dwh_day < :end_day
columns: {view_day: DATE, path: VARCHAR}
*/
SELECT
  _dwh_day AS view_day,
  path,
  COUNT(*) AS views,
  COUNT(DISTINCT session_id) AS visits
FROM staging.page_view
WHERE _dwh_day >= :first_day
  AND _dwh_day < :end_day
GROUP BY 1, 2
