-- What `outlay import` does with one month, in DuckDB. The paths :input, :charges and :daily are put in by bench/run.

-- Every charge: costs and quantities as exact decimals, by way of the shortest text that names the double (a cast from
-- double to decimal would go through binary arithmetic and keep its noise); the day and the billing period; the tags as
-- columns; the owner, and which tag said so.
COPY (
  WITH tagged AS (
    SELECT
      *,
      json_extract_string(Tags, '$.Name') AS "tags.Name",
      json_extract_string(Tags, '$.app') AS "tags.app",
      json_extract_string(Tags, '$.env') AS "tags.env",
      json_extract_string(Tags, '$.team') AS "tags.team"
    FROM read_parquet(':input')
  )
  SELECT
    * REPLACE (
      upper(trim(BillingCurrency)) AS BillingCurrency,
      BilledCost::VARCHAR::DECIMAL(38, 18) AS BilledCost,
      EffectiveCost::VARCHAR::DECIMAL(38, 18) AS EffectiveCost,
      ListCost::VARCHAR::DECIMAL(38, 18) AS ListCost,
      ContractedCost::VARCHAR::DECIMAL(38, 18) AS ContractedCost,
      ListUnitPrice::VARCHAR::DECIMAL(38, 18) AS ListUnitPrice,
      PricingQuantity::VARCHAR::DECIMAL(38, 18) AS PricingQuantity,
      ConsumedQuantity::VARCHAR::DECIMAL(38, 18) AS ConsumedQuantity
    ),
    ProviderName AS ServiceProviderName,
    ChargePeriodStart::DATE AS "x_ChargeDate",
    BillingPeriodStart::DATE AS "x_BillingPeriod",
    'aws' AS "x_Source",
    'part' AS "x_PartId",
    coalesce(nullif(trim("tags.team"), ''), 'unallocated') AS "x_Team",
    nullif(trim("tags.app"), '') AS "x_Component",
    nullif(trim("tags.env"), '') AS "x_Environment",
    CASE WHEN nullif(trim("tags.team"), '') IS NOT NULL THEN 'tag:team' END AS "x_OwnershipRule"
  FROM tagged
) TO ':charges' (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1, ROW_GROUP_SIZE 131072);

-- One row a day and group, from the file just written.
COPY (
  SELECT
    "x_ChargeDate", ServiceProviderName, BillingAccountId, SubAccountId, ServiceName, ServiceCategory, RegionId,
    ChargeCategory, ChargeClass, PricingCategory, "x_BillingPeriod", InvoiceId, BillingCurrency,
    "x_Source", "x_Team", "x_Component", "x_Environment", "tags.app", "tags.env", "tags.team",
    any_value("x_PartId") AS "x_PartId",
    count(*) AS "x_Rows",
    sum(EffectiveCost) AS EffectiveCost,
    count(*) FILTER (EffectiveCost IS NULL) AS "x_EffectiveCostNulls",
    sum(BilledCost) FILTER (EffectiveCost IS NULL) AS "x_EffectiveCostNullsBilled",
    sum(BilledCost) AS BilledCost,
    count(*) FILTER (BilledCost IS NULL) AS "x_BilledCostNulls",
    sum(BilledCost) FILTER (BilledCost IS NULL) AS "x_BilledCostNullsBilled",
    sum(ListCost) AS ListCost,
    count(*) FILTER (ListCost IS NULL) AS "x_ListCostNulls",
    sum(BilledCost) FILTER (ListCost IS NULL) AS "x_ListCostNullsBilled",
    sum(ContractedCost) AS ContractedCost,
    count(*) FILTER (ContractedCost IS NULL) AS "x_ContractedCostNulls",
    sum(BilledCost) FILTER (ContractedCost IS NULL) AS "x_ContractedCostNullsBilled"
  FROM read_parquet(':charges')
  GROUP BY ALL
  ORDER BY ALL
) TO ':daily' (FORMAT parquet, COMPRESSION lz4_raw, ROW_GROUP_SIZE 131072);
