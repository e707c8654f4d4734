/*
materialization: table
description: Visits by day, of a project that is not in the package.
grain: [day]
columns: {day: DATE}
*/
SELECT
  _dwh_day AS day,
  COUNT(*) AS visits,
  COUNT(*) > 1000 AS is_busy
FROM staging.visit
GROUP BY 1
